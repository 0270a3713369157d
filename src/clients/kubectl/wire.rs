//! Kubernetes' exec credential plugins (client.authentication.k8s.io v1 and v1beta1): one JSON object in an environment
//! variable, one on stdout.
//!
//! Clients differ in what they put in, so reading is lenient: unknown members, a missing spec, Python's raw kubeconfig
//! cluster, no variable at all. What goes out is what every one of them reads.

use std::fmt;

use serde_json::{Value, json};

use crate::clock;
use crate::desk::Credential;
use crate::escape::escape;
use crate::model::{Location, location};

/// An option for a kubectl that is to read its configuration and nothing else. There is no such context: Google's kubectl
/// asks the server of the current one for its version before it does anything, with whatever plugin or secret that takes.
pub(crate) const NO_SERVER: &str = "--context=keyfob-asks-no-server";

/// A version of the protocol (client-go, `pkg/apis/clientauthentication`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    #[default]
    V1,
    V1Beta1,
}

impl Version {
    /// As clients write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }

    /// The version of that name, with its group or without.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let group = |version: &Self| {
            let whole = version.name();
            whole == name || whole.rsplit_once('/').is_some_and(|(_, short)| short == name)
        };
        [Self::V1, Self::V1Beta1].into_iter().find(group)
    }
}

/// What a client tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The answer must be in the same.
    version: Version,
    /// The API server, if the client was configured to tell it (`provideClusterInfo`).
    pub(crate) server: Option<String>,
    pub(crate) way: Way,
}

/// How a client reaches its server, as far as it decides who gets what is sent there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Whoever answers is taken for the server (`insecure-skip-tls-verify`).
    pub(crate) is_blind: bool,
    pub(crate) proxy: Option<String>,
    pub(crate) tls_server_name: Option<String>,
}

impl Way {
    /// As `cluster` says, in an answer's `spec` or in a kubeconfig. What is there and is not understood counts as said.
    pub(crate) fn of(cluster: Option<&Value>) -> Self {
        let member = |name: &str| cluster.and_then(|cluster| cluster.get(name)).filter(|value| !value.is_null());
        let text = |name: &str| {
            let value = member(name)?;
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)).filter(|text| !text.is_empty())
        };
        Self {
            is_blind: member("insecure-skip-tls-verify").is_some_and(|value| *value != Value::Bool(false)),
            proxy: text("proxy-url"),
            tls_server_name: text("tls-server-name"),
        }
    }
}

/// Why a request cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    NotJson,
    Version(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => f.write_str("KUBERNETES_EXEC_INFO is not a JSON object"),
            Self::Version(version) => write!(f, "KUBERNETES_EXEC_INFO asks for apiVersion \"{}\"", escape(version)),
        }
    }
}

/// Reads `KUBERNETES_EXEC_INFO`; `None` where it is not set. `otherwise`: what is spoken where the client does not say (those
/// of JavaScript and Java do not).
pub(crate) fn decode(variable: Option<&str>, otherwise: Version) -> Result<Request, Malformed> {
    let Some(text) = variable.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Request { version: otherwise, server: None, way: Way::default() });
    };
    let value: Value = serde_json::from_str(text).map_err(|_| Malformed::NotJson)?;
    if !value.is_object() {
        return Err(Malformed::NotJson);
    }
    let version = match value.get("apiVersion") {
        None | Some(Value::Null) => otherwise,
        Some(asked) => {
            let asked = asked.as_str().unwrap_or_default();
            let known = Version::named(asked).filter(|version| version.name() == asked);
            known.ok_or_else(|| Malformed::Version(asked.to_owned()))?
        }
    };
    let server = value.pointer("/spec/cluster/server").and_then(Value::as_str);
    let way = Way::of(value.pointer("/spec/cluster"));
    Ok(Request { version, server: server.filter(|server| !server.is_empty()).map(str::to_owned), way })
}

impl Request {
    /// Where the API server is; `None` where the client does not tell, an error where what it tells is no address.
    pub(crate) fn location(&self) -> Option<Result<Location, String>> {
        let server = self.server.as_deref()?;
        Some(Location::parse(server).map_err(|why| format!("\"{}\" {why}", escape(&location::without_user(server)))))
    }

    /// Writes the answer: exactly one document. The moment is never past, because a client would then run us for every
    /// request it makes.
    pub(crate) fn encode(&self, credential: &Credential) -> String {
        let mut status = json!({ "token": credential.secret.expose() });
        if let Some(at) = credential.expires_at.and_then(clock::rfc3339) {
            status["expirationTimestamp"] = at.into();
        }
        let answer = json!({ "apiVersion": self.version.name(), "kind": "ExecCredential", "status": status });
        format!("{answer}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn decode_as_v1(variable: Option<&str>) -> Result<Request, Malformed> {
        decode(variable, Version::V1)
    }

    fn info(rest: &str) -> Result<Request, Malformed> {
        decode_as_v1(Some(&format!(
            r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"{rest}}}"#
        )))
    }

    #[test]
    fn the_version_asked_for_is_the_version_answered() {
        let credential =
            Credential { username: String::new(), secret: Secret::new("at"), expires_at: Some(1_700_000_000) };
        for (variable, version) in [
            (None, "v1"),
            (Some(""), "v1"),
            (Some("{}"), "v1"),
            (Some(r#"{"apiVersion":"client.authentication.k8s.io/v1"}"#), "v1"),
            (Some(r#"{"apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":true}}"#), "v1beta1"),
        ] {
            assert_eq!(
                decode_as_v1(variable).unwrap().encode(&credential),
                format!(
                    "{{\"apiVersion\":\"client.authentication.k8s.io/{version}\",\"kind\":\"ExecCredential\",\
                     \"status\":{{\"expirationTimestamp\":\"2023-11-14T22:13:20Z\",\"token\":\"at\"}}}}\n"
                )
            );
        }
    }

    #[test]
    fn what_is_spoken_where_the_client_does_not_say() {
        let credential = Credential { username: String::new(), secret: Secret::new("at"), expires_at: None };
        let answered = |variable| decode(variable, Version::V1Beta1).unwrap().encode(&credential);
        assert!(answered(None).contains("k8s.io/v1beta1\""));
        let asked = r#"{"apiVersion":"client.authentication.k8s.io/v1"}"#;
        assert!(answered(Some(asked)).contains("k8s.io/v1\""), "what the client says goes first");
        for (name, version) in
            [("v1", Some(Version::V1)), (Version::V1Beta1.name(), Some(Version::V1Beta1)), ("v2", None), ("", None)]
        {
            assert_eq!(Version::named(name), version, "{name}");
        }
    }

    #[test]
    fn a_token_without_an_end_has_no_timestamp() {
        let credential = Credential { username: String::new(), secret: Secret::new("opaque"), expires_at: None };
        assert!(!decode_as_v1(None).unwrap().encode(&credential).contains("expirationTimestamp"));
    }

    #[test]
    fn the_server_wherever_a_client_puts_it() {
        let server = |rest: &str| info(rest).unwrap().server;
        assert_eq!(
            server(r#","spec":{"cluster":{"server":"https://k8s.acme.dev:6443"}}"#).as_deref(),
            Some("https://k8s.acme.dev:6443")
        );
        // Python hands over its kubeconfig's cluster as it is.
        let python = r#","spec":{"interactive":false,"cluster":{"server":"https://k","certificate-authority":"/x","extensions":[{"name":"y"}]}}"#;
        assert_eq!(server(python).as_deref(), Some("https://k"));
        for nothing in
            ["", r#","spec":null"#, r#","spec":{"cluster":{}}"#, r#","spec":{"cluster":{"server":7}}"#, r#","spec":[]"#]
        {
            assert_eq!(server(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_way_to_the_server() {
        let way =
            |members: &str| info(&format!(r#","spec":{{"cluster":{{"server":"https://k"{members}}}}}"#)).unwrap().way;
        assert_eq!(way(r#","proxy-url":"","tls-server-name":null,"insecure-skip-tls-verify":false"#), Way::default());
        for odd in ["true", "1", "\"true\"", "{}"] {
            assert!(way(&format!(r#","insecure-skip-tls-verify":{odd}"#)).is_blind, "{odd}");
        }
        let other = way(r#","proxy-url":"http://p","tls-server-name":["k"]"#);
        assert_eq!((other.proxy.as_deref(), other.tls_server_name.as_deref()), (Some("http://p"), Some("[\"k\"]")));
    }

    #[test]
    fn what_cannot_be_answered() {
        for text in ["nonsense", "[]", "\"x\"", "{", "1"] {
            assert_eq!(decode_as_v1(Some(text)), Err(Malformed::NotJson), "{text}");
        }
        for version in ["client.authentication.k8s.io/v1alpha1", "v1", "client.authentication.k8s.io/v10"] {
            let asked = decode_as_v1(Some(&format!(r#"{{"apiVersion":"{version}"}}"#)));
            assert_eq!(asked, Err(Malformed::Version(version.to_owned())));
        }
    }
}
