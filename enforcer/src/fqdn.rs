//! What a policy means by a name.
//!
//! A [`DomainName`] is one concrete name, a [`Pattern`] a set of them. Both can only exist valid:
//! lower case, A-labels, no trailing dot. The surprising thing: `*.example.com` stands for one *or
//! more* labels in front of `example.com` and not for `example.com` itself, while a `*` anywhere
//! else stands for one or more characters *inside one label*.
//!
//! This module knows no DNS message, no clock and no IO.

mod name;
mod pattern;

pub use self::{
    name::{DomainName, NameError},
    pattern::{Label, Leading, Pattern, PatternError},
};

#[cfg(test)]
mod tests;
