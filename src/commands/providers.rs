//! `keyfob providers`: whom keyfob knows, what to register there, and a profile to begin with.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::Providers;
use crate::config::draft::Draft;
use crate::error::{Error, Kind, Result};
use crate::model::TokenKind;
use crate::model::provider::{self, Base, Preset, Unworkable};
use crate::output::print;

#[inline(never)]
pub(super) fn run(command: &Providers) -> Result<ExitCode> {
    let text = match command.name.as_deref() {
        None => table(),
        Some(name) => match (provider::find(name), provider::unworkable(name)) {
            (Some(preset), _) => sheet(preset),
            (None, Some(row)) => refusal(row),
            (None, None) => {
                let what = format!("no provider is called \"{}\"", name.escape_debug());
                return Err(Error::new(Kind::Usage, what).hint(provider::instead_of(name)));
            }
        },
    };
    print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn table() -> String {
    let mut text = format!("{:14}  {:18}  {}\n", "PROVIDER", "WHAT IT IS", "WHERE IT IS");
    for preset in provider::PRESETS {
        let place = match preset.base {
            Base::Fixed(base) => base,
            Base::Issuer | Base::Discovery => "at issuer",
            Base::Given => "at the endpoints given",
        };
        let _ = writeln!(text, "{:14}  {:18}  {place}", preset.name, preset.title);
    }
    for row in provider::UNWORKABLE {
        let _ = writeln!(text, "{:14}  {:18}  cannot work: {}", row.name, row.title, row.why);
    }
    text.push_str("what to register, and a profile to begin with: keyfob providers NAME\n");
    text
}

fn sheet(preset: &Preset) -> String {
    let Preset { name, title, docs, register, scopes, .. } = preset;
    let token = match preset.hands_out {
        TokenKind::Access => "the access token",
        TokenKind::Id => "the ID token",
    };
    let mut text = format!("{title}\n\nregister    {register}\nread        {docs}\nhands out   {token}");
    let _ = writeln!(text, ", to git as {}", preset.username);
    if !scopes.is_empty() {
        let _ = writeln!(text, "asks for    {}", scopes.join(" "));
    }
    if let Some(why) = preset.registry_refuses {
        let _ = writeln!(text, "registry    {why}");
    }
    if !preset.know.is_empty() {
        let _ = writeln!(text, "know        {}", preset.know);
    }
    if preset.refresh_ends_earlier_tokens() {
        text.push_str("beware      a renewal ends the access tokens handed out before\n");
    }
    text.push('\n');
    text.push_str(&Draft::example(preset).bare(name));
    text
}

fn refusal(row: &Unworkable) -> String {
    let Unworkable { name: _, title, why, instead } = row;
    format!("{title} cannot work: {why}\ninstead: {instead}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;

    #[test]
    fn every_profile_printed_is_a_profile() {
        for preset in provider::PRESETS {
            let sheet = sheet(preset);
            let profile = sheet.split_once("\n[").map(|(_, profile)| format!("[{profile}")).unwrap();
            if let Err(error) = file::parse(&profile, "config.toml".as_ref()) {
                panic!("{error}\n{profile}");
            }
        }
    }
}
