//! The container alone: bytes in, values out.

mod corpus;
mod files;
mod headers;
mod made;
mod packets;
mod padding;
mod rebase;
mod tidy;
