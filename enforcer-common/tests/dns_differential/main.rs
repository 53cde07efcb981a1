//! The walker of DNS answers beside a plain reading of the same rules, over many messages.

#[cfg(test)]
mod compare;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod mutate;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod walked;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod differential;
