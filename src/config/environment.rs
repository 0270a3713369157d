//! Every environment variable keyfob reads, one function each. Nothing else reads the environment.
#![expect(clippy::disallowed_methods, reason = "the room for it")]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::proxy::Proxies;
use crate::secret::Secret;
use crate::trace::Log;

/// Whether a person may be asked (`KEYFOB_INTERACTIVE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Interactive {
    /// Ask where somebody is there to see it.
    #[default]
    Auto,
    /// Never ask.
    Never,
    /// Run the device flow even with no terminal, prompting on stderr.
    Always,
}

/// `KEYFOB_LOG`: `1`, `true` or `stderr`, or the whole path of a file to write to; unset or false is off.
pub(crate) fn log() -> Log {
    env::var_os("KEYFOB_LOG").map_or(Log::Off, |value| read_log(&value))
}

fn read_log(value: &OsString) -> Log {
    match value.to_string_lossy().to_ascii_lowercase().as_str() {
        _ if is_false(value) => Log::Off,
        "1" | "true" | "yes" | "on" | "stderr" => Log::Stderr,
        _ if Path::new(value).is_absolute() => Log::File(PathBuf::from(value)),
        _ => Log::Unusable(value.to_string_lossy().into_owned()),
    }
}

/// `KEYFOB_CONFIG`: the file to read in place of the person's own configuration.
pub(crate) fn config_file() -> Option<PathBuf> {
    path("KEYFOB_CONFIG")
}

/// `KEYFOB_STATE_DIR`: the folder to keep sessions in.
pub(crate) fn state_folder() -> Option<PathBuf> {
    path("KEYFOB_STATE_DIR")
}

/// Whether a variable names a folder by its whole path: `HOME` and the folders of the XDG Base Directory Specification.
pub(crate) fn has_folder(name: &str) -> bool {
    path(name).is_some_and(|path| path.is_absolute())
}

/// Whether a variable is set and not empty.
#[cfg(unix)]
pub(crate) fn is_set(name: &str) -> bool {
    path(name).is_some()
}

/// `KEYFOB_INTERACTIVE`: `auto` (also when unset or empty), `never` or `always`; anything else is an error to the
/// caller, who gets the word.
pub(crate) fn interactive() -> Result<Interactive, String> {
    match env::var_os("KEYFOB_INTERACTIVE").unwrap_or_default().to_string_lossy().as_ref() {
        "" | "auto" => Ok(Interactive::Auto),
        "never" => Ok(Interactive::Never),
        "always" => Ok(Interactive::Always),
        other => Err(other.to_owned()),
    }
}

/// `CI`: set and not `false`, as every CI service does.
pub(crate) fn ci() -> bool {
    is_on("CI")
}

/// `GIT_TERMINAL_PROMPT`: git's own wish not to prompt, when it is set to something false.
pub(crate) fn git_prompts_off() -> bool {
    env::var_os("GIT_TERMINAL_PROMPT").is_some_and(|value| is_false(&value))
}

/// `VSCODE_GIT_FETCH_SILENT`: Visual Studio Code fetches in the background.
pub(crate) fn vscode_fetches_silently() -> bool {
    is_on("VSCODE_GIT_FETCH_SILENT")
}

/// `GCM_INTERACTIVE`: the switch people already set for Git Credential Manager, when it is set to something false.
pub(crate) fn gcm_interactive_off() -> bool {
    env::var_os("GCM_INTERACTIVE").is_some_and(|value| value == "never" || is_false(&value))
}

/// What marks a coding agent, and its name for a sentence. Not `AGENT`, which others set for something else. It says how to speak,
/// never what may be had: anybody can set it.
const AGENTS: [(&str, &str); 8] = [
    ("CLAUDECODE", "Claude Code"),
    ("CODEX_CI", "Codex"),
    ("CODEX_THREAD_ID", "Codex"),
    ("GEMINI_CLI", "Gemini CLI"),
    ("CURSOR_AGENT", "Cursor"),
    ("OPENCODE", "OpenCode"),
    ("COPILOT_CLI", "Copilot CLI"),
    ("AI_AGENT", "an agent"),
];

/// The coding agent that runs us, if one is marked.
#[inline(never)]
pub(crate) fn agent() -> Option<&'static str> {
    AGENTS.into_iter().find_map(|(variable, name)| is_on(variable).then_some(name))
}

/// `BROWSER`: the commands a person opens pages with.
pub(crate) fn browser() -> Option<String> {
    env::var("BROWSER").ok().filter(|value| !value.trim().is_empty())
}

/// `DISPLAY` or `WAYLAND_DISPLAY`: somebody looks at a desktop.
pub(crate) fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// `SSH_CONNECTION` or `SSH_TTY`: whoever is here sits elsewhere.
pub(crate) fn is_ssh() -> bool {
    ["SSH_CONNECTION", "SSH_TTY"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// `WSL_DISTRO_NAME` or `WSL_INTEROP`: a Linux below Windows, which can run its programs.
pub(crate) fn is_wsl() -> bool {
    ["WSL_DISTRO_NAME", "WSL_INTEROP"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// `KEYFOB_PLAIN`: lines of text alone, for screen readers and logs: no colours, no pictures, nothing rewritten.
pub(crate) fn plain() -> bool {
    is_on("KEYFOB_PLAIN")
}

/// `NO_COLOR`, set and not empty (no-color.org): no colours.
pub(crate) fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// `TERM`: a terminal that moves no cursor, or does not say what it is.
pub(crate) fn is_dumb_terminal() -> bool {
    env::var_os("TERM").is_none_or(|value| value.is_empty() || value == "dumb")
}

/// `LC_ALL`, `LC_CTYPE` or `LANG`, the first that is set and not empty (POSIX, "Environment Variables"): whether the
/// terminal is written to in UTF-8.
pub(crate) fn is_utf8() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env::var_os(name).filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// `KUBERNETES_EXEC_INFO`: what a Kubernetes client tells its credential plugin. Bytes that are no text are kept as such.
pub(crate) fn kubernetes_exec_info() -> Option<String> {
    env::var_os("KUBERNETES_EXEC_INFO").map(|value| value.to_string_lossy().into_owned())
}

/// `CLAUDE_CODE_MCP_SERVER_URL`: the server that whoever runs us is about to connect to, and wants headers for.
pub(crate) fn mcp_server_url() -> Option<String> {
    env::var("CLAUDE_CODE_MCP_SERVER_URL").ok().filter(|url| !url.is_empty())
}

/// `PATH`: the folders programs are looked for in, in their order. One that depends on where a command is run is no place to
/// rely on.
pub(crate) fn search_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

/// `DOCKER_AUTH_CONFIG`: logins that docker (28.3 and newer) takes before those of its file, as JSON.
pub(crate) fn docker_auth_config() -> Option<Secret> {
    env::var("DOCKER_AUTH_CONFIG").ok().map(Secret::new)
}

/// `DOCKER_CONFIG`: the folder of docker's configuration.
pub(crate) fn docker_config() -> Option<PathBuf> {
    path("DOCKER_CONFIG")
}

/// `KUBERC`: kubectl's file of a person's preferences.
pub(crate) fn kuberc() -> Option<PathBuf> {
    path("KUBERC")
}

/// `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`, the first that is set, and `no_proxy` or `NO_PROXY`: what curl
/// reads for an https request. An empty one counts as unset.
pub(crate) fn proxies() -> Proxies {
    let value = |name| env::var_os(name).filter(|value| !value.is_empty());
    let text = |value: OsString| value.to_string_lossy().into_owned();
    let setting = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .into_iter()
        .find_map(|name| Some((name, Secret::new(text(value(name)?)))));
    let exceptions = value("no_proxy").or_else(|| value("NO_PROXY")).map(text).unwrap_or_default();
    Proxies { setting, exceptions }
}

/// Where files may be for a moment (`TMPDIR`).
pub(crate) fn temporary_folder() -> PathBuf {
    env::temp_dir()
}

/// `GIT_CONFIG_GLOBAL`: the file to read in place of the person's own git configuration (git-config, "FILES").
pub(crate) fn git_config_global() -> Option<PathBuf> {
    path("GIT_CONFIG_GLOBAL")
}

/// `XDG_CONFIG_HOME`: where git, podman and skopeo look for a person's configuration.
pub(crate) fn xdg_config_home() -> Option<PathBuf> {
    path("XDG_CONFIG_HOME")
}

/// `REGISTRY_AUTH_FILE`: the file of logins that podman, skopeo and buildah read in place of their own.
pub(crate) fn registry_auth_file() -> Option<PathBuf> {
    path("REGISTRY_AUTH_FILE")
}

/// `XDG_RUNTIME_DIR`: a folder of the person's that is gone when they are.
pub(crate) fn runtime_folder() -> Option<PathBuf> {
    path("XDG_RUNTIME_DIR")
}

/// `KUBECONFIG`: the files a Kubernetes client reads in place of `~/.kube/config`, the first word on a thing first.
pub(crate) fn kubeconfig() -> Vec<PathBuf> {
    let value = env::var_os("KUBECONFIG").unwrap_or_default();
    env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect()
}

fn path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn is_on(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !is_false(&value))
}

/// False as git reads it (git-config, "Values"): `false`, `no`, `off`, `0` or nothing, in any case.
fn is_false(value: &OsString) -> bool {
    matches!(value.to_string_lossy().to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_as_git_reads_it() {
        for value in ["", "0", "false", "FALSE", "no", "off"] {
            assert!(is_false(&value.into()), "{value}");
        }
        for value in ["1", "true", "yes", "on", "2"] {
            assert!(!is_false(&value.into()), "{value}");
        }
    }

    #[test]
    fn a_trace_goes_to_stderr_or_to_a_file() {
        for (value, log) in [
            ("0", Log::Off),
            ("", Log::Off),
            ("True", Log::Stderr),
            ("stderr", Log::Stderr),
            ("debug", Log::Unusable("debug".to_owned())),
            ("keyfob.log", Log::Unusable("keyfob.log".to_owned())),
        ] {
            assert_eq!(read_log(&value.into()), log, "{value}");
        }
        let path = env::temp_dir().join("keyfob.log");
        assert_eq!(read_log(&path.clone().into_os_string()), Log::File(path));
    }
}
