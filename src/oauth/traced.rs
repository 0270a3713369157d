//! What the trace is told of a request and its answer: the names of what was sent, the status, and of what came back the names of
//! secrets and the values of what is none.

use std::time::Duration;

use super::answer;
use super::message::{Form, Response, SECRET_MEMBERS, Unreachable};
use crate::clock::{Clock, SystemClock};
use crate::trace::{self, HIDDEN, trace, url};

/// A member that a person is shown, and a trace is not.
const USER_CODE: &str = "user_code";
/// Members that are a number of seconds.
const SPANS: &[&str] = &["expires_in", "interval"];

/// Makes a request, and tells the trace of it.
pub(super) fn exchange(
    method: &str,
    url: &str,
    form: &Form,
    make: impl FnOnce() -> Result<Response, Unreachable>,
) -> Result<Response, Unreachable> {
    if !trace::is_on() {
        return make();
    }
    let clock = SystemClock::new();
    let answer = make();
    trace!("{}", line(method, url, form, &answer, clock.elapsed()));
    answer
}

/// One line.
fn line(method: &str, address: &str, form: &Form, answer: &Result<Response, Unreachable>, took: Duration) -> String {
    let sent =
        form.names().map(|(name, is_secret)| if is_secret { format!("{name}={HIDDEN}") } else { name.to_owned() });
    let sent = sent.collect::<Vec<_>>().join(", ");
    let sent = if sent.is_empty() { String::new() } else { format!(" ({sent})") };
    let (address, took) = (url(address), took.as_millis());
    match answer {
        Ok(response) => {
            format!("{method} {address}{sent} -> {} in {took} ms ({})", response.status, told(form, response))
        }
        Err(Unreachable { why, .. }) => format!("{method} {address}{sent} -> no answer in {took} ms ({why})"),
    }
}

/// What an answer told.
fn told(form: &Form, response: &Response) -> String {
    let bytes = || format!("{} bytes", response.body.len());
    let Some(body) = answer::fields(&response.body) else { return bytes() };
    let secrets = SECRET_MEMBERS
        .iter()
        .chain([&USER_CODE])
        .filter(|name| body.contains_key(**name))
        .map(|name| format!("{name} {HIDDEN}"));
    let mut told: Vec<String> = secrets.collect();
    let spans = SPANS.iter().filter_map(|name| Some(format!("{name} {}", answer::number(&body, name)?)));
    let error = answer::error(&body, response.status).filter(|_| told.is_empty());
    let error = error.map(|error| format!("error {}", form.redact_answer(response, &error.words())));
    told.extend(spans.chain(error));
    if told.is_empty() { bytes() } else { told.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn shown(form: &Form, status: u16, body: &str) -> String {
        let response =
            Response { status, date: None, retry_after: None, challenges: Vec::new(), body: body.as_bytes().to_vec() };
        line("POST", "https://a.dev/token?tenant=t1", form, &Ok(response), Duration::from_millis(45))
    }

    #[test]
    fn names_and_no_secrets() {
        let mut form = Form::default();
        form.push("grant_type", "refresh_token");
        form.push("refresh_token", "rt_secret");
        let granted =
            r#"{"access_token":"at_secret","refresh_token":"rt_2","expires_in":300,"scope":"read","user":{"id":"u"}}"#;
        assert_eq!(
            shown(&form, 200, granted),
            "POST https://a.dev/token?tenant=<hidden> (grant_type, refresh_token=<hidden>) -> 200 in 45 ms \
             (access_token <hidden>, refresh_token <hidden>, expires_in 300)"
        );
        let refused = r#"{"error":"invalid_grant","error_description":"rt_secret is\nspent","hint":"x"}"#;
        assert!(
            shown(&form, 400, refused).ends_with("-> 400 in 45 ms (error invalid_grant: (redacted) is\\u{a}spent)")
        );
        assert!(shown(&form, 200, "<html>at_secret").ends_with("(15 bytes)"));
        assert!(shown(&form, 200, r#"{"access_token":"a","code":"b"}"#).ends_with("(access_token <hidden>)"));
        form.authenticate("client", &Secret::new("s3cret"), crate::model::SecretBy::Basic);
        assert!(shown(&form, 200, "").contains("refresh_token=<hidden>, Authorization=<hidden>)"));
    }
}
