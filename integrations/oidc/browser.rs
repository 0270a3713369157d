//! A person with a browser, as far as this server's pages go: links followed, forms filled in, cookies kept.

use std::collections::HashMap;

/// An answer: its status, where it sends us, and its text.
struct Page {
    status: u16,
    location: Option<String>,
    text: String,
}

/// One browser window.
struct Browser {
    issuer: String,
    agent: ureq::Agent,
    cookies: HashMap<String, String>,
}

impl Browser {
    fn go(&mut self, path: &str, form: Option<&[(&str, &str)]>) -> Page {
        let url = if path.starts_with('/') { format!("{}{path}", self.issuer) } else { path.to_owned() };
        assert!(url.starts_with(&self.issuer), "never away from the server: {url}");
        let jar = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let answer = match form {
            None => self.agent.get(&url).header("cookie", &jar).call(),
            Some(form) => self.agent.post(&url).header("cookie", &jar).send_form(form.iter().copied()),
        };
        let mut answer = answer.expect("the server is there");
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        Page { status: answer.status().as_u16(), location, text: answer.body_mut().read_to_string().unwrap() }
    }
}

/// Enters a code, signs in as alice and says yes or no.
pub(super) fn decide(issuer: &str, user_code: &str, approve: bool) {
    let agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    let agent = agent.proxy(None).build().new_agent();
    let mut browser = Browser { issuer: issuer.to_owned(), agent, cookies: HashMap::new() };
    let entry = browser.go("/device", None);
    let (_, rest) = entry.text.split_once("name=\"xsrf\" value=\"").unwrap_or_else(|| panic!("{}", entry.text));
    let xsrf = rest.split('"').next().unwrap();
    let decision = if approve { ("confirm", "yes") } else { ("abort", "yes") };
    let mut page = browser.go("/device", Some(&[("xsrf", xsrf), ("user_code", user_code), decision]));
    let mut at = String::new();
    for _ in 0..12 {
        page = match (page.location.take(), page.text.as_str()) {
            (Some(next), _) if (300..400).contains(&page.status) => {
                at.clone_from(&next);
                browser.go(&next, None)
            }
            (_, text) if text.contains("value=\"login\"") => {
                browser.go(&at, Some(&[("prompt", "login"), ("login", "alice"), ("password", "x")]))
            }
            (_, text) if text.contains("value=\"consent\"") => browser.go(&at, Some(&[("prompt", "consent")])),
            (_, text) => {
                assert!(!approve || text.contains("Sign-in Success"), "{}: {text}", page.status);
                return;
            }
        };
    }
    panic!("the pages never end: {at}");
}
