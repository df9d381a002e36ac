//! The store's contract, as its users meet it.

mod blobs;
mod damage;
mod images;
mod indexes;
mod layers;
mod leases;
mod records;
mod support;
