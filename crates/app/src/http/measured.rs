//! The metrics of an HTTP server: by route template, method and status. What a worker has answered once it
//! counts the next time without making anything anew.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use adapters::metrics::{CANCELLED, Calls, NONE, OTHER, Stopwatch, TIMEOUT, status_label};
use metrics::{Gauge, Label};

use crate::telemetry::names::{HTTP_ACTIVE, HTTP_REQUESTS, HTTP_SECONDS};

/// The route of a request that matches none, so that paths never become labels.
pub(super) const NO_ROUTE: &str = "unmatched";

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With this answer.
    Answered(StatusCode),
    /// Its time was over; this was answered.
    TimedOut(StatusCode),
    /// Its caller left before the answer.
    Cancelled,
}

impl End {
    /// The labels of the status and of the error.
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Answered(status) => {
                let label = status_label(status.as_u16());
                (label, if status.is_server_error() { label } else { NONE })
            }
            Self::TimedOut(status) => (status_label(status.as_u16()), TIMEOUT),
            Self::Cancelled => (NONE, CANCELLED),
        }
    }
}

/// A route, and what was answered on it so far.
#[derive(Debug)]
pub(super) struct Route {
    /// Its template.
    pub(super) template: String,
    known: RefCell<Vec<(&'static str, End, Calls)>>,
}

/// The metrics of one worker of a server.
pub(super) struct Meter {
    service: &'static str,
    active: Gauge,
    /// By their names, which are their templates.
    routes: RefCell<HashMap<String, Rc<Route>>>,
}

impl Meter {
    pub(super) fn new(service: &'static str) -> Self {
        Self {
            service,
            active: metrics::gauge!(HTTP_ACTIVE.name, "service" => service),
            routes: RefCell::default(),
        }
    }

    /// Begins a request.
    pub(super) fn begin(self: &Rc<Self>, request: &ServiceRequest) -> Running {
        self.active.increment(1);
        Running {
            meter: Rc::clone(self),
            route: self.route(request),
            method: method_label(request.method()),
            watch: Stopwatch::start(),
        }
    }

    /// The route that a request will take. Ours have their templates as names, which are found without
    /// a string being made; there are as many as there are routes.
    fn route(&self, request: &ServiceRequest) -> Rc<Route> {
        let template = match request.match_name() {
            Some(name) => return self.named(name),
            None => request.match_pattern(),
        };
        self.named(template.as_deref().unwrap_or(NO_ROUTE))
    }

    fn named(&self, template: &str) -> Rc<Route> {
        if let Some(route) = self.routes.borrow().get(template) {
            return Rc::clone(route);
        }
        let route = Rc::new(Route {
            template: template.to_owned(),
            known: RefCell::default(),
        });
        let kept = Rc::clone(&route);
        self.routes.borrow_mut().insert(template.to_owned(), kept);
        route
    }

    fn note(&self, route: &Route, method: &'static str, end: End, took: Duration) {
        let mut known = route.known.borrow_mut();
        if let Some((.., calls)) = known.iter().find(|(m, e, _)| (*m, *e) == (method, end)) {
            return calls.note(took);
        }
        let (status, error) = end.labels();
        let labels = vec![
            Label::from_static_parts("service", self.service),
            Label::from_static_parts("http_request_method", method),
            Label::new("http_route", route.template.clone()),
            Label::from_static_parts("http_response_status_code", status),
            Label::from_static_parts("error_type", error),
        ];
        let calls = Calls::new(&HTTP_REQUESTS, &HTTP_SECONDS, labels);
        calls.note(took);
        known.push((method, end, calls));
    }
}

/// A request in flight. Whoever has it ends it, once.
pub(super) struct Running {
    meter: Rc<Meter>,
    pub(super) route: Rc<Route>,
    pub(super) method: &'static str,
    watch: Stopwatch,
}

impl Running {
    /// Ends it; how long it took.
    pub(super) fn end(&self, end: End) -> Duration {
        let took = self.watch.elapsed();
        self.meter.active.decrement(1);
        self.meter.note(&self.route, self.method, end, took);
        took
    }
}

/// A method as a label; what nobody knows is one.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}
