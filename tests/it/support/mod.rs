//! What tests and the playground run keyfob against.
#![allow(dead_code, reason = "each user of it needs a part")]

pub mod git_server;
pub mod http;
pub mod provider;
pub mod sandbox;
