//! What it means that a client asks again for a token that lives. The protocol cannot say that a server refused it, so it is told
//! by how the clients behave (read in their sources, and measured with the real ones).

/// Why a client of some kind asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It keeps what it got, and asks again when a server refused that: client-go, and so kubectl, helm, k9s.
    Refused,
    /// It may have been refused. kr8s asks again after a 401, after a 403, and for each new connection; it sets no variable, as
    /// JavaScript's and Java's do, which ask again for nothing but a new connection.
    Perhaps,
    /// It never asks again because of a refusal: Python's client asks for every request as soon as a token has less than five
    /// minutes left, and for every configuration that it loads.
    Habit,
}

/// What the client is, by the variable that it sets (`KUBERNETES_EXEC_INFO`).
pub(super) fn again(variable: Option<&str>) -> Again {
    match variable {
        None => Again::Perhaps,
        // Python writes a blank behind each colon; Go, and so client-go, never does.
        Some(text) if text.contains("\": ") => Again::Habit,
        Some(_) => Again::Refused,
    }
}

/// Whether a kubectl of these arguments reads a manifest from its standard input. It asks twice then, because it keeps what it
/// gets apart for connections that may use the input and those that may not (client-go, `exec.go`, the key of its cache).
pub(super) fn reads_stdin(args: &[String]) -> bool {
    let is_file = |word: &str| matches!(word, "-f" | "--filename");
    let is_both = |word: &str| matches!(word, "-f-" | "-f=-" | "--filename=-");
    args.iter().any(|word| is_both(word)) || args.windows(2).any(|pair| is_file(&pair[0]) && pair[1] == "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_by_the_variable_they_set() {
        for (variable, means) in [
            (None, Again::Perhaps),
            (
                Some(
                    r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#,
                ),
                Again::Refused,
            ),
            (
                Some(
                    r#"{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {"interactive": false}}"#,
                ),
                Again::Habit,
            ),
        ] {
            assert_eq!(again(variable), means, "{variable:?}");
        }
    }

    #[test]
    fn a_manifest_on_stdin() {
        let reads = |line: &str| reads_stdin(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in
            ["kubectl apply -f -", "kubectl create --filename - -n x", "kubectl apply -f-", "k diff --filename=-"]
        {
            assert!(reads(line), "{line}");
        }
        for line in ["kubectl apply -f x", "kubectl get pods -o -", "kubectl apply -f", "kubectl logs -f pod"] {
            assert!(!reads(line), "{line}");
        }
    }
}
