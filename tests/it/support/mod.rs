//! What tests and the playground run keyfob against.
#![allow(dead_code, reason = "each user of it needs a part")]

pub mod api_server;
pub mod git_server;
pub mod http;
pub mod internet;
pub mod provider;
pub mod random;
pub mod registry;
pub mod sandbox;
pub mod scripted;
pub mod system;
pub mod tls_server;
