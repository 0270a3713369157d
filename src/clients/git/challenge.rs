//! What a git server said when it wanted to know who asks: its `WWW-Authenticate` headers, as git hands them on (2.41 and newer).

use crate::escape::escape;

/// The error of the Bearer challenge (RFC 6750 section 3), with what is said of it, fit to be shown.
pub(super) fn error(headers: &[Vec<u8>]) -> Option<String> {
    headers.iter().find_map(|header| {
        let header = String::from_utf8_lossy(header);
        let parameters =
            header.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map(|_| &header[7..])?;
        let value = |name: &str| {
            let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| escape(value))
        };
        let error = value("error")?;
        let said = [value("error_description"), value("scope").map(|scope| format!("scope \"{scope}\""))];
        Some(std::iter::once(error).chain(said.into_iter().flatten()).collect::<Vec<_>>().join(": "))
    })
}

/// Whether a server takes a password and no Bearer.
pub(super) fn wants_basic(headers: &[Vec<u8>]) -> bool {
    offers(headers, "basic") && !offers(headers, "bearer")
}

/// Whether a server takes Bearer and no password, and has seen no token yet: what git was given as a password it never sent. One that
/// has seen a token says what is wrong with it (RFC 6750 section 3.1).
pub(super) fn wants_bearer(headers: &[Vec<u8>]) -> bool {
    offers(headers, "bearer") && !offers(headers, "basic") && error(headers).is_none()
}

fn offers(headers: &[Vec<u8>], scheme: &str) -> bool {
    headers.iter().any(|header| has_scheme(&String::from_utf8_lossy(header), scheme))
}

/// Whether a header has a challenge of that scheme, given in lower case. Several may stand in one, parted by commas (RFC 9110 section 11.6.1).
fn has_scheme(header: &str, scheme: &str) -> bool {
    header.split(',').any(|part| part.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_token_is_to_go_as_bearer() {
        for (headers, wants) in [
            (&[][..], false),
            (&["Basic realm=\"x\""], false),
            (&["Bearer"], true),
            (&["bearer realm=\"x\", scope=\"y\""], true),
            (&["Negotiate", "Bearer realm=x"], true),
            (&["Bearer realm=x", "basic realm=x"], false),
            (&["Bearer realm=x, Basic realm=x"], false),
            (&["Negotiate, Bearer"], true),
            (&["Bearer error=\"invalid_token\""], false),
        ] {
            let headers: Vec<Vec<u8>> = headers.iter().map(|header| header.as_bytes().to_vec()).collect();
            assert_eq!(wants_bearer(&headers), wants, "{headers:?}");
        }
    }
}
