//! The command line as a user types it: exit codes, streams, shapes. Needs no root and no kernel.

#[cfg(test)]
mod check;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod verbs;
