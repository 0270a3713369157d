//! What everybody talks about: who asks for what (ask), and what is handed out (token). Above nothing but secrets and time.

mod ask;
mod token;

pub(crate) use ask::{Ask, ParentId, Want};
pub(crate) use token::Token;
