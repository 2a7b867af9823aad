//! The steps of a test message, for people and for programs.

use std::time::Duration;

use serde::Serialize;

use super::super::fail::{Fail, chain};
use super::super::out::{Out, tame};
use crate::app::Trial;
use crate::mail::{Accepted, Encryption, Facts, FailureClass, SendError, Step};

/// A step that went well.
pub(super) struct Passed {
    pub(super) step: Step,
    pub(super) took: Duration,
    pub(super) facts: Facts,
}

/// `-o json`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    sent: bool,
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_from: Option<String>,
    from: &'a str,
    message_id: &'a str,
    steps: Vec<StepShown<'a>>,
    /// What the server said in the end, or the path of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorShown<'a>>,
}

#[derive(Serialize)]
struct StepShown<'a> {
    step: &'static str,
    ok: bool,
    milliseconds: u64,
    #[serde(flatten)]
    facts: &'a Facts,
}

#[derive(Serialize)]
struct ErrorShown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'static str>,
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
    message: String,
}

impl<'a> Document<'a> {
    pub(super) fn of(
        trial: &'a Trial,
        passed: &'a [Passed],
        result: &'a Result<Accepted, SendError>,
    ) -> Self {
        let steps = passed.iter().map(|Passed { step, took, facts }| StepShown {
            step: name(*step),
            ok: !matches!(facts, Facts::Encryption(Encryption { trusted: false, .. })),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            facts,
        });
        Self {
            sent: result.is_ok(),
            server: trial.server(),
            server_from: trial.named_by.as_ref().map(|key| format!("{}/{}", key.namespace, key.name)),
            from: &trial.from,
            message_id: &trial.message_id,
            steps: steps.collect(),
            reply: result.as_ref().ok().map(|accepted| accepted.reply.as_str()),
            error: result.as_ref().err().map(|error| ErrorShown {
                step: error.step().map(name),
                class: class(error.class()),
                code: error.code(),
                words: error.words(),
                message: chain(error),
            }),
        }
    }
}

const fn name(step: Step) -> &'static str {
    match step {
        Step::Resolve => "resolve",
        Step::Connect => "connect",
        Step::Greeting => "greeting",
        Step::Tls => "tls",
        Step::SignIn => "signIn",
        Step::Sender => "sender",
        Step::Recipient => "recipient",
        Step::Data => "data",
        Step::Message => "message",
    }
}

const fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Transient => "transient",
        FailureClass::Permanent => "permanent",
        FailureClass::Network => "network",
        FailureClass::Settings => "settings",
    }
}

/// As SMTP calls them, for people who read its logs.
const fn label(step: Step) -> &'static str {
    match step {
        Step::Resolve => "address",
        Step::Connect => "connect",
        Step::Greeting => "greeting",
        Step::Tls => "TLS",
        Step::SignIn => "AUTH",
        Step::Sender => "MAIL",
        Step::Recipient => "RCPT",
        Step::Data => "DATA",
        Step::Message => "message",
    }
}

pub(super) fn head(out: &mut Out, trial: &Trial) -> Result<(), Fail> {
    let server = match &trial.named_by {
        Some(tenant) => format!("{}, named by {tenant}", trial.server()),
        None => format!("{}, from --mail-url", trial.server()),
    };
    let server = server.trim_start_matches("mail server ");
    line(out, "server", server)?;
    line(out, "sender", &trial.from)?;
    line(out, "Message-ID", &trial.message_id)
}

pub(super) fn step(out: &mut Out, trial: &Trial, passed: &Passed) -> Result<(), Fail> {
    let Passed { step, took, facts } = passed;
    let mut lines = vec![];
    match facts {
        Facts::Addresses(addresses) => {
            let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            lines.push(all.join(", "));
            if let Some(host) = &trial.host
                && addresses.iter().any(|address| trial.refused_in_a_cluster(*address))
            {
                lines.push(format!(
                    "an inward address: against a cluster, `run` refuses it unless --mail-allow-hosts names {host}"
                ));
            }
        }
        Facts::Address(address) => lines.push(address.to_string()),
        Facts::Greeting { words, offers } => {
            lines.push(if words.is_empty() { "well".to_owned() } else { words.clone() });
            if !offers.is_empty() {
                lines.push(format!("offers {}", offers.join(", ")));
            }
        }
        Facts::Encryption(encryption) => lines.extend(encrypted(encryption)),
        Facts::SignIn { mechanism, reply } => lines.push(format!("{mechanism}: {reply}")),
        Facts::Reply(reply) => lines.push(reply.clone()),
    }
    let took = out.dim(&format!("({} ms)", took.as_millis()));
    for (index, text) in lines.iter().enumerate() {
        match index {
            0 => out.line(&format!("{:<11} {} {took}", label(*step), tame(text)))?,
            _ => out.line(&format!("{:<11} {}", "", tame(text)))?,
        }
    }
    Ok(())
}

fn encrypted(encryption: &Encryption) -> Vec<String> {
    let Encryption { protocol, cipher, trusted, certificate } = encryption;
    let how: Vec<&str> = [protocol, cipher].into_iter().flatten().map(String::as_str).collect();
    let how = if how.is_empty() { "encrypted".to_owned() } else { how.join(", ") };
    let mut lines = vec![match trusted {
        true => how,
        false => format!("{how}; the certificate is not accepted, so nothing was sent"),
    }];
    if let Some(certificate) = certificate {
        lines.push(format!("subject  {}", certificate.subject));
        lines.push(format!("issuer   {}", certificate.issuer));
        lines.push(format!("for      {}", certificate.names.join(", ")));
        lines.push(format!("valid    {} to {}", certificate.not_before, certificate.not_after));
    }
    lines
}

pub(super) fn end(out: &mut Out, trial: &Trial, result: &Result<Accepted, SendError>) -> Result<(), Fail> {
    match result {
        // A folder has no steps; the file is all there is to tell.
        Ok(accepted) if trial.is_a_folder() => line(out, "written to", &accepted.reply),
        Ok(_) => {
            let sent = out.green("sent");
            out.line(&format!(
                "{sent}        the server has taken the message over; look for it where it was sent to"
            ))
        }
        Err(error) => {
            let failed = error.step().map_or("failed", label);
            let word = out.red("failed");
            out.line(&format!("{failed:<11} {word}"))
        }
    }
}

fn line(out: &mut Out, name: &str, text: &str) -> Result<(), Fail> {
    out.line(&format!("{name:<11} {}", tame(text)))
}
