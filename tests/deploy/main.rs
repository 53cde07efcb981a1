//! What is shipped beside the program: each file is read by what will read it in the field.

#[cfg(test)]
mod grafana;
#[cfg(test)]
mod helm;
#[cfg(test)]
mod image;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod package;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod tools;
