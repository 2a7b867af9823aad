//! Text from strangers, made safe for one line of a mail.
//!
//! Names of people, tenants and products, and the words of mail servers, are
//! written by others. Everything of this module's family passes them through
//! here before they reach a header, a body or an error message.

/// Names are shown at most this long in a letter, so that a display name
/// cannot carry a message of its own under our letterhead.
pub(super) const MAX_NAME: usize = 100;

/// `text` on one line: control characters and line separators become spaces,
/// characters that reorder or hide text are dropped, runs of spaces collapse,
/// and more than `max` characters are cut with an ellipsis.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max * 4));
    let mut length = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() {
            gap = length > 0;
            continue;
        }
        if hides(c) {
            continue;
        }
        if length + usize::from(gap) >= max {
            line.push('…');
            break;
        }
        if gap {
            line.push(' ');
            length += 1;
            gap = false;
        }
        line.push(c);
        length += 1;
    }
    line
}

/// Like [`one_line`], for a header: a name that looks like an encoded word
/// would be decoded by the reader's program into text that nobody checked.
pub(super) fn header_line(text: &str, max: usize) -> String {
    one_line(text, max).replace("=?", "= ?")
}

/// Characters that change how their neighbours are read without being seen:
/// direction overrides, soft hyphens, byte order marks, tags. Joiners stay,
/// because Persian and emoji need them.
const fn hides(c: char) -> bool {
    matches!(c,
        '\u{00AD}'
        | '\u{061C}'
        | '\u{180E}'
        | '\u{200B}'
        | '\u{200E}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_and_control_characters_become_single_spaces() {
        assert_eq!(one_line("a\r\nBcc: x\u{0}\u{7f}\u{85}\u{2028}b ", 100), "a Bcc: x b");
        assert_eq!(one_line("\n\n a", 100), "a");
        assert_eq!(one_line(" \r\n ", 100), "");
    }

    #[test]
    fn characters_that_reorder_or_hide_text_are_dropped_but_joiners_stay() {
        assert_eq!(one_line("pay\u{202E}lap\u{2066}\u{FEFF}", 100), "paylap");
        assert_eq!(one_line("👩\u{200D}🚀", 100), "👩\u{200D}🚀");
    }

    #[test]
    fn long_text_is_cut_by_characters_not_bytes() {
        assert_eq!(one_line("ééééé", 3), "ééé…");
        assert_eq!(one_line("ééé", 3), "ééé");
        assert_eq!(one_line("aa bb", 3), "aa…");
    }

    #[test]
    fn something_that_looks_like_an_encoded_word_stays_readable_text() {
        assert_eq!(header_line("=?utf-8?q?=0ABcc?=", 100), "= ?utf-8?q?=0ABcc?=");
    }
}
