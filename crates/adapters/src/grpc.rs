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

/// A status code by its name in gRPC.
#[must_use]
pub const fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
