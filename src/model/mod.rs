//! What everybody talks about: profiles and where their tokens go, providers, places; who asks for what (ask), and what is
//! handed out (token). Data, and questions that it answers by itself: no file, no network, no clock.

mod ask;
mod destination;
pub(crate) mod location;
mod profile;
pub(crate) mod provider;
mod server;
mod token;

pub(crate) use ask::{Ask, ParentId, Want};
pub(crate) use destination::{Auth, Destination, HostPattern, Route, Slot, TokenKind};
pub(crate) use location::Location;
pub(crate) use profile::Profile;
pub(crate) use server::{Endpoints, SecretBy, Server, SpeltEndpoints};
pub(crate) use token::Token;
