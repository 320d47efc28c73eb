//! The messages of LOMS, generated from `proto/` and shared by its client and its server, and
//! the client that a cart uses.

#[cfg(feature = "cart")]
pub mod client;
pub mod codec;

/// Messages, client and server of `loms.v1`; see `proto/loms/v1/loms.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::cognitive_complexity,
    clippy::too_many_lines,
    reason = "generated: the generators decide"
)]
pub mod proto {
    include!("grpc/generated/loms.v1.rs");
    include!("grpc/generated/loms.v1.serde.rs");
}

/// The descriptors of `loms.v1`, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("grpc/generated/loms_descriptor.bin");

/// The metadata key, and HTTP header, of an idempotency key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
