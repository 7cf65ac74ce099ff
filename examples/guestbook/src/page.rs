//! The page as HTML. Texts of visitors are escaped.

use html_escape::{encode_double_quoted_attribute, encode_text};

use crate::database::Entry;

/// The input of a visitor, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Form {
    pub name: String,
    pub message: String,
    pub problem: Option<&'static str>,
}

impl Form {
    /// Parses the body of a form.
    pub fn read(body: &[u8]) -> Form {
        let mut form = Form::default();
        for (key, value) in form_urlencoded::parse(body) {
            match &*key {
                "name" => form.name = value.trim().to_owned(),
                "message" => form.message = value.trim().to_owned(),
                _ => {}
            }
        }
        let (name, message) = (form.name.chars().count(), form.message.chars().count());
        let nul = form.name.contains('\0') || form.message.contains('\0');
        form.problem = if name == 0 || message == 0 {
            Some("Please write your name and a few words.")
        } else if name > 60 || message > 1000 {
            Some("That is too long: a name has up to 60 characters, a message up to 1000.")
        } else if nul {
            Some("That holds a character that no text has.")
        } else {
            None
        };
        form
    }
}

/// The whole page.
pub fn page(entries: &[Entry], form: &Form) -> String {
    let problem = form
        .problem
        .map(|why| format!("<p class=problem role=alert>{why}</p>"));
    let list: String = entries.iter().map(item).collect();
    let list = match entries {
        [] => "<p class=empty>Nobody has written yet. Be the first!</p>".to_owned(),
        _ => format!("<ol>{list}</ol>"),
    };
    // In one pass, so that a placeholder in the text of a visitor is never filled.
    let mut page = String::new();
    for piece in include_str!("page.html").split('{') {
        let (place, rest) = match piece.split_once('}') {
            Some(("problem", rest)) => (problem.clone().unwrap_or_default(), rest),
            Some(("name", rest)) => (
                encode_double_quoted_attribute(&form.name).into_owned(),
                rest,
            ),
            Some(("message", rest)) => (encode_text(&form.message).into_owned(), rest),
            Some(("entries", rest)) => (list.clone(), rest),
            _ if page.is_empty() => (String::new(), piece),
            _ => ("{".to_owned(), piece),
        };
        page.push_str(&place);
        page.push_str(rest);
    }
    page
}

fn item(entry: &Entry) -> String {
    format!(
        "<li><p class=message>{}</p><p class=by>{}, <time>{}</time></p></li>\n",
        encode_text(&entry.message),
        encode_text(&entry.name),
        encode_text(&entry.written)
    )
}
