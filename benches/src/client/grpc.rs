//! Stub.
use super::*;
#[derive(Clone, Debug)]
pub(crate) struct GrpcOrders;
#[allow(unused, clippy::unused_async)]
impl GrpcOrders {
    pub(crate) fn new(_: &str, _: usize, _: Duration) -> Result<Self, LoadError> {
        Ok(Self)
    }
    pub(super) async fn create(
        &self,
        user_id: i64,
        lines: &[Line],
        key: Option<&str>,
    ) -> Answer<i64> {
        Ok(1)
    }
    pub(super) async fn pay(&self, order_id: i64) -> Answer<()> {
        Ok(())
    }
    pub(super) async fn cancel(&self, order_id: i64) -> Answer<()> {
        Ok(())
    }
    pub(super) async fn info(&self, order_id: i64) -> Answer<Told> {
        Err(Fault::new(FaultKind::Unknown, "", ""))
    }
    pub(super) async fn free(&self, sku: i64) -> Answer<Option<u32>> {
        Ok(None)
    }
}
