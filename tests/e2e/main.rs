//! End to end: real programs, real packets, the real datapath. One file a promise.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod bypass;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod churn;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod enforce;
#[cfg(test)]
mod escape;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod full;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod hardship;
#[cfg(test)]
mod inbound;
#[cfg(test)]
mod input;
#[cfg(test)]
mod learning;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod names;
#[cfg(test)]
mod older;
#[cfg(test)]
mod pod;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod race;
#[cfg(test)]
mod reloads;
#[cfg(test)]
mod repeat;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod resolvers;
#[cfg(test)]
mod return_path;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod segment;
#[cfg(test)]
mod spoof;
#[cfg(test)]
mod stopped;
#[cfg(test)]
mod succession;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod translation;
#[cfg(test)]
mod upgrades;
#[cfg(test)]
mod uplinks;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod workloads;
#[cfg(test)]
mod world;
