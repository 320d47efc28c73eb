//! Orders and stock over the HTTP gateway: canonical proto3 JSON, 64-bit integers as strings.

use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{kind_of, malformed, quote, transport};
use super::{Answer, Fault, FaultKind, Told};
use crate::dataset::Line;

/// gRPC's FAILED_PRECONDITION, INVALID_ARGUMENT's neighbour behind the same 400.
const FAILED_PRECONDITION: i64 = 9;
/// gRPC's NOT_FOUND.
const NOT_FOUND: i64 = 5;

/// Calls `loms` by HTTP.
#[derive(Clone, Debug)]
pub(crate) struct GatewayOrders {
    http: Client,
    base: String,
}

#[derive(Deserialize)]
struct Problem {
    code: i64,
}

impl GatewayOrders {
    /// A client of the gateway at `base`.
    pub(crate) fn new(http: Client, base: &str) -> Self {
        Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    pub(super) async fn create(&self, user_id: i64, lines: &[Line], key: Option<&str>) -> Answer<i64> {
        let items: Vec<Value> = lines
            .iter()
            .map(|line| json!({ "sku": line.sku.to_string(), "count": line.count }))
            .collect();
        let body = json!({ "userId": user_id.to_string(), "items": items });
        let mut request = self.http.post(format!("{}/order/create", self.base)).json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        int(&send(request).await?, "orderId")
    }

    pub(super) async fn pay(&self, order_id: i64) -> Answer<()> {
        self.order_call("pay", order_id).await
    }

    pub(super) async fn cancel(&self, order_id: i64) -> Answer<()> {
        self.order_call("cancel", order_id).await
    }

    async fn order_call(&self, what: &str, order_id: i64) -> Answer<()> {
        let url = format!("{}/order/{what}", self.base);
        send(self.http.post(url).json(&json!({ "orderId": order_id.to_string() }))).await?;
        Ok(())
    }

    pub(super) async fn info(&self, order_id: i64) -> Answer<Told> {
        let url = format!("{}/order/info?orderId={order_id}", self.base);
        let told = send(self.http.get(url)).await?;
        let items = told["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lines = items.iter().map(|item| {
            let count = u32::try_from(int(item, "count")?).map_err(|error| malformed(&error))?;
            Ok(Line {
                sku: int(item, "sku")?,
                count,
            })
        });
        Ok(Told {
            status: told["status"].as_str().unwrap_or_default().to_owned(),
            user_id: int(&told, "userId")?,
            lines: lines.collect::<Answer<_>>()?,
        })
    }

    pub(super) async fn free(&self, sku: i64) -> Answer<Option<u32>> {
        let url = format!("{}/stock/info?sku={sku}", self.base);
        match send(self.http.get(url)).await {
            Ok(told) => {
                let count = u32::try_from(int(&told, "count")?).map_err(|error| malformed(&error))?;
                Ok(Some(count))
            }
            Err(fault) if fault.code == code_name(StatusCode::NOT_FOUND, Some(NOT_FOUND)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Sends and reads a JSON answer; the gRPC code in an error's body tells a refusal from bad input.
async fn send(request: RequestBuilder) -> Answer<Value> {
    let response = request.send().await.map_err(|error| transport(&error))?;
    let status = response.status();
    let body = response.bytes().await.map_err(|error| transport(&error))?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| malformed(&error));
    }
    let code = serde_json::from_slice(&body).ok().map(|problem: Problem| problem.code);
    let kind = match code {
        Some(FAILED_PRECONDITION) => FaultKind::Refused,
        _ => kind_of(status),
    };
    Err(Fault::new(kind, code_name(status, code), quote(&body)))
}

fn code_name(status: StatusCode, code: Option<i64>) -> String {
    match code {
        Some(code) => format!("{} (code {code})", status.as_u16()),
        None => status.to_string(),
    }
}

/// A member that is an integer, as a number or as a string.
fn int(value: &Value, name: &str) -> Answer<i64> {
    let member = &value[name];
    let number = member
        .as_i64()
        .or_else(|| member.as_str().and_then(|text| text.parse().ok()));
    number.ok_or_else(|| malformed(&format_args!("no integer {name} in {value}")))
}
