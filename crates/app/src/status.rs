//! The one table from the kind of an error to what the outside sees of it. Source: the contract,
//! the error tables of "Cart" and "LOMS".

use domain::error::ErrorKind;
use tonic::Code;

/// How an error is told, by protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status of the cart.
    pub cart: u16,
    /// The gRPC code of LOMS.
    pub grpc: Code,
    /// The HTTP status of the gateway of LOMS.
    pub gateway: u16,
}

/// The row of a kind.
#[must_use]
pub const fn row(kind: ErrorKind) -> Row {
    match kind {
        ErrorKind::Invalid => Row {
            cart: 400,
            grpc: Code::InvalidArgument,
            gateway: 400,
        },
        ErrorKind::NotFound => Row {
            cart: 404,
            grpc: Code::NotFound,
            gateway: 404,
        },
        ErrorKind::Refused => Row {
            cart: 412,
            grpc: Code::FailedPrecondition,
            gateway: 400,
        },
        ErrorKind::KeyReused => Row {
            cart: 409,
            grpc: Code::AlreadyExists,
            gateway: 409,
        },
        ErrorKind::Unavailable => Row {
            cart: 503,
            grpc: Code::Unavailable,
            gateway: 503,
        },
        ErrorKind::OutcomeUnknown => Row {
            cart: 504,
            grpc: Code::DeadlineExceeded,
            gateway: 504,
        },
        ErrorKind::Internal => Row {
            cart: 500,
            grpc: Code::Internal,
            gateway: 500,
        },
    }
}

/// The gateway's HTTP status of a gRPC code: that of its row, 413 for what is too large, and 500
/// for codes that LOMS never answers.
#[must_use]
pub fn gateway_of(code: Code) -> u16 {
    if code == Code::ResourceExhausted {
        return 413;
    }
    let row = ErrorKind::ALL.into_iter().map(row).find(|row| row.grpc == code);
    row.map_or(500, |row| row.gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_tells_every_code_of_the_contract() {
        let told = [3, 5, 9, 6, 14, 4, 8, 13].map(|code| gateway_of(Code::from_i32(code)));
        assert_eq!(told, [400, 404, 400, 409, 503, 504, 413, 500]);
        assert_eq!(gateway_of(Code::DataLoss), 500);
    }
}
