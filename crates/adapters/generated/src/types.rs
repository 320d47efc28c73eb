// This file was generated with `cornucopia`. Do not modify.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum OrderStatus {
    new,
    awaiting_payment,
    failed,
    payed,
    cancelled,
}
impl<'a> postgres_types::ToSql for OrderStatus {
    fn to_sql(
        &self,
        ty: &postgres_types::Type,
        buf: &mut postgres_types::private::BytesMut,
    ) -> Result<postgres_types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let s = match *self {
            OrderStatus::new => "new",
            OrderStatus::awaiting_payment => "awaiting payment",
            OrderStatus::failed => "failed",
            OrderStatus::payed => "payed",
            OrderStatus::cancelled => "cancelled",
        };
        buf.extend_from_slice(s.as_bytes());
        std::result::Result::Ok(postgres_types::IsNull::No)
    }
    fn accepts(ty: &postgres_types::Type) -> bool {
        if ty.name() != "order_status" {
            return false;
        }
        match *ty.kind() {
            postgres_types::Kind::Enum(ref variants) => {
                if variants.len() != 5 {
                    return false;
                }
                variants.iter().all(|v| match &**v {
                    "new" => true,
                    "awaiting payment" => true,
                    "failed" => true,
                    "payed" => true,
                    "cancelled" => true,
                    _ => false,
                })
            }
            _ => false,
        }
    }
    fn to_sql_checked(
        &self,
        ty: &postgres_types::Type,
        out: &mut postgres_types::private::BytesMut,
    ) -> Result<postgres_types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        postgres_types::__to_sql_checked(self, ty, out)
    }
}
impl<'a> postgres_types::FromSql<'a> for OrderStatus {
    fn from_sql(
        ty: &postgres_types::Type,
        buf: &'a [u8],
    ) -> Result<OrderStatus, Box<dyn std::error::Error + Sync + Send>> {
        match std::str::from_utf8(buf)? {
            "new" => Ok(OrderStatus::new),
            "awaiting payment" => Ok(OrderStatus::awaiting_payment),
            "failed" => Ok(OrderStatus::failed),
            "payed" => Ok(OrderStatus::payed),
            "cancelled" => Ok(OrderStatus::cancelled),
            s => Result::Err(Into::into(format!("invalid variant `{}`", s))),
        }
    }
    fn accepts(ty: &postgres_types::Type) -> bool {
        if ty.name() != "order_status" {
            return false;
        }
        match *ty.kind() {
            postgres_types::Kind::Enum(ref variants) => {
                if variants.len() != 5 {
                    return false;
                }
                variants.iter().all(|v| match &**v {
                    "new" => true,
                    "awaiting payment" => true,
                    "failed" => true,
                    "payed" => true,
                    "cancelled" => true,
                    _ => false,
                })
            }
            _ => false,
        }
    }
}
