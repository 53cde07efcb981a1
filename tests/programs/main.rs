//! Program tests: the kernel programs on crafted packets, by `BPF_PROG_TEST_RUN`.

#[cfg(test)]
mod egress;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod load;
#[cfg(test)]
mod malformed;
