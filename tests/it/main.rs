//! The real binary against a scripted provider. One test binary; one file for each thing that can go right or wrong.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the first surprise")]
#![allow(clippy::pedantic, clippy::print_stderr, missing_docs, unreachable_pub, reason = "tests are read, not linked")]

// The scripted provider, the git server, a home for each test.
mod support;

// A miss: the device flow from the first request to the first token.
mod device;
// A hit and a silent refresh: what is asked of whom, and what is saved when.
mod refresh;
// A thousand processes at once.
mod crowd;
// When nobody is there to be asked.
mod agents;
mod persons;
mod presence;
// What a person sees on a terminal.
#[cfg(target_os = "linux")]
mod prompt;
// What git says and hears.
mod git;
// What Kubernetes clients tell and read.
#[cfg(target_os = "linux")]
mod interrupted;
mod kubectl;
// Which cluster gets what.
mod clusters;
// What docker, podman and skopeo say and hear.
mod docker;
// How the source is built.
mod granted;
mod handbook;
mod house;
// What Bazel says and hears.
#[cfg(unix)]
mod background;
// Where a browser is opened, and what is said of it.
mod bazel;
#[cfg(target_os = "linux")]
mod browser;
// login, at once and in steps; token, in every form; run.
#[cfg(target_os = "linux")]
mod child;
mod commands;
mod steps;
mod tokens;
// What agents, and the programs they come in, are told to run.
#[cfg(target_os = "linux")]
mod recipes;
// What a shell completes.
#[cfg(target_os = "linux")]
mod completions;
// What is kept: for people, and as an inventory for programs.
mod status;
// Forgotten here, and ended where.
mod logout;
// What each provider documents, and how it deviates.
#[cfg(unix)]
mod providers;
// Metadata: where it is looked for, how long it is believed, what it cannot do.
#[cfg(unix)]
mod discovery;
// A client's secret: where it comes from and where it goes.
#[cfg(unix)]
mod client_secrets;
// What a trace tells, and what it never does.
#[cfg(unix)]
mod trace;
// Proxies, certificates, clocks.
mod transport;
// `keyfob setup git`, with the real git as the judge.
#[cfg(unix)]
mod setup_git;
#[cfg(target_os = "linux")]
mod setup_killed;
// `keyfob setup docker`.
#[cfg(unix)]
mod setup_docker;
// `keyfob doctor`: every way a set-up can fail, and the command that mends it.
#[cfg(unix)]
mod doctor;
// `keyfob setup profile`: written, checked, converted, taken out.
#[cfg(unix)]
mod setup_profile;
// Addresses, for a static program.
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
mod names;
// `keyfob providers`.
mod providers_command;
// What a server, a client, a file or a variable might try.
#[cfg(unix)]
mod attacks;
// What other helpers were once fooled by, by its number.
#[cfg(unix)]
mod cves;
// Bad configuration, broken records, hostile folders, full disks.
#[cfg(unix)]
mod adversity;
// Where others could put something in the place of what is ours.
#[cfg(unix)]
mod ground;
// Who runs it, in whose home.
#[cfg(target_os = "linux")]
mod homes;
// Help, the manual and the providers' pages are what the program prints.
mod pages;
