//! Every registered saga, in every situation it is rehearsed in: each step fails, loses its answer, is repeated, or
//! panics, and the process dies before and after every write. The end is the same, or clean, or waits for an operator.

#[cfg(test)]
mod ending;
#[cfg(test)]
mod mortal;
#[cfg(test)]
mod sabotage;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod stepping_in;
#[cfg(test)]
mod unwinding;
#[cfg(test)]
mod world;
