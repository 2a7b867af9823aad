//! The part of `doctor` that looks at a cluster, if one is configured.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PartialObjectMeta, PostParams};
use kube::{Client, Config};

use super::super::fail::chain;
use super::Finding;
use crate::api;
use crate::controller::access::{CLUSTER_CALLS, Call};

const PATIENCE: Duration = Duration::from_secs(8);

/// Reachable, definitions installed, rights granted.
pub(super) async fn look() -> Vec<(&'static str, Finding)> {
    let Ok(config) = Config::infer().await else {
        return vec![("cluster", Finding::Ok("none is configured; `run --from` needs none".to_owned()))];
    };
    let client = match Client::try_from(config) {
        Ok(client) => client,
        Err(error) => return vec![("cluster", Finding::Fail(chain(&error)))],
    };
    let version = match tokio::time::timeout(PATIENCE, client.apiserver_version()).await {
        Ok(Ok(version)) => version.git_version,
        Ok(Err(error)) => {
            let text = format!("the API server refuses: {}: check KUBECONFIG", chain(&error));
            return vec![("cluster", Finding::Fail(text))];
        }
        Err(_) => {
            let text = "the API server does not answer: check KUBECONFIG and the network".to_owned();
            return vec![("cluster", Finding::Fail(text))];
        }
    };
    vec![
        ("cluster", Finding::Ok(format!("Kubernetes {version}"))),
        ("definitions", definitions(&client).await),
        ("rights", rights(&client).await),
    ]
}

async fn definitions(client: &Client) -> Finding {
    let crds: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let mut missing = vec![];
    for kind in api::Kind::ALL {
        let name = format!("{}.{}", kind.plural(), api::GROUP);
        match tokio::time::timeout(PATIENCE, crds.get_opt(&name)).await {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => missing.push(name),
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
                return Finding::Warn("this user may not look at them".to_owned());
            }
            Ok(Err(error)) => return Finding::Fail(chain(&error)),
            Err(_) => return Finding::Fail("the API server does not answer in time".to_owned()),
        }
    }
    match missing.as_slice() {
        [] => Finding::Ok("all four are installed".to_owned()),
        _ => Finding::Fail(format!(
            "{} missing: tenantry crd | kubectl apply --server-side -f -",
            missing.join(", ")
        )),
    }
}

async fn rights(client: &Client) -> Finding {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = vec![];
    for Call { group, resource, verbs, names } in CLUSTER_CALLS {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (*resource, None),
        };
        for verb in *verbs {
            let attributes = ResourceAttributes {
                group: Some((*group).to_owned()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                verb: Some((*verb).to_owned()),
                name: names.first().map(|name| (*name).to_owned()),
                ..ResourceAttributes::default()
            };
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(attributes),
                    ..Default::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            match tokio::time::timeout(PATIENCE, reviews.create(&PostParams::default(), &review)).await {
                Ok(Ok(answer)) if answer.status.as_ref().is_some_and(|status| status.allowed) => {}
                Ok(Ok(_)) => {
                    let what = subresource.map_or(resource.to_owned(), |sub| format!("{resource}/{sub}"));
                    missing.push(format!("{verb} {what}"));
                }
                Ok(Err(error)) => return Finding::Warn(format!("cannot be asked for: {}", chain(&error))),
                Err(_) => return Finding::Fail("the API server does not answer in time".to_owned()),
            }
        }
    }
    match missing.as_slice() {
        [] => Finding::Ok("this user may do all that the controller does".to_owned()),
        _ => Finding::Warn(format!(
            "this user may not {}: fine for a person, the controller needs the ClusterRole in manifests/base",
            missing.join(", ")
        )),
    }
}
