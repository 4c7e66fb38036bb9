//! One endpoint's description, and all of them as a document.

use std::collections::BTreeMap;

use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::{ApiError, ErrorCode, JobId, ModelId};

const TOKEN_SCHEME: &str = "token";

/// Endpoints and the schemas they use, as they are collected.
#[derive(Default)]
pub(super) struct Collected {
    paths: BTreeMap<String, PathItem>,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

/// An endpoint on its way into the document.
pub(super) struct Endpoint<'a> {
    collected: &'a mut Collected,
    method: HttpMethod,
    path: &'static str,
    operation: OperationBuilder,
    errors: Vec<ErrorCode>,
    open: bool,
}

impl Collected {
    pub(super) fn endpoint(
        &mut self,
        method: HttpMethod,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Endpoint<'_> {
        let mut operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).tag(tag(path));
        for segment in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
            operation = operation.parameter(path_parameter(path, segment));
        }
        Endpoint { collected: self, method, path, operation, errors: Vec::new(), open: false }
    }

    /// A schema by name, with those it uses.
    fn schema<T: ToSchema>(&mut self) -> Ref {
        let mut used = Vec::new();
        T::schemas(&mut used);
        used.push((T::name().into_owned(), T::schema()));
        self.schemas.extend(used);
        Ref::from_schema_name(T::name())
    }

    pub(super) fn document(mut self) -> OpenApi {
        self.schema::<ApiError>();
        let mut components = ComponentsBuilder::new();
        for (name, schema) in self.schemas {
            components = components.schema(name, schema);
        }
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The content of the file `api-token` in the node's data folder."))
            .build();
        components = components.security_scheme(TOKEN_SCHEME, SecurityScheme::Http(token));
        let mut paths = PathsBuilder::new();
        for (path, item) in self.paths {
            paths = paths.path(path, item);
        }
        let info = InfoBuilder::new()
            .title("InferNet node")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(
                "The API of a node: what its window and its command line use. Amounts are whole micro-credits, \
                 shares whole millionths (`_ppm`), times milliseconds since 1970 UTC.",
            ))
            .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
            .build();
        let mut document = OpenApiBuilder::new()
            .info(info)
            .paths(paths)
            .components(Some(components.build()))
            .security(Some([token_needed()]))
            .build();
        document.servers = Some(vec![utoipa::openapi::Server::new(crate::DEFAULT_URL)]);
        document
    }
}

impl Endpoint<'_> {
    /// Needs no token.
    pub(super) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    pub(super) fn query<T: IntoParams>(mut self) -> Self {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            self.operation = self.operation.parameter(parameter);
        }
        self.collected.schema::<JobId>();
        self.collected.schema::<ModelId>();
        self
    }

    /// A schema that only parameters refer to.
    pub(super) fn uses<T: ToSchema>(self) -> Self {
        self.collected.schema::<T>();
        self
    }

    pub(super) fn header(mut self, name: &'static str, description: &'static str) -> Self {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .description(Some(description))
            .schema(Some(text));
        self.operation = self.operation.parameter(parameter);
        self
    }

    pub(super) fn body<T: ToSchema>(self, required: bool) -> Self {
        let schema = self.collected.schema::<T>();
        self.body_of(schema, "application/json", required)
    }

    /// Any JSON object.
    pub(super) fn merge_patch(self) -> Self {
        let any = Schema::Object(ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object)).build());
        self.body_of(any, "application/merge-patch+json", true)
    }

    fn body_of(mut self, schema: impl Into<RefOr<Schema>>, content_type: &str, required: bool) -> Self {
        let schema: RefOr<Schema> = schema.into();
        let required = if required { Required::True } else { Required::False };
        let mut body = RequestBodyBuilder::new().required(Some(required));
        for content_type in
            ["application/json", content_type].iter().take(1 + usize::from(content_type != "application/json"))
        {
            body = body.content(*content_type, ContentBuilder::new().schema(Some(schema.clone())).build());
        }
        self.operation = self.operation.request_body(Some(body.build()));
        self.errors.extend([
            ErrorCode::MalformedJson,
            ErrorCode::LengthRequired,
            ErrorCode::BodyTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::InvalidRequest,
        ]);
        self
    }

    /// Errors of its own, besides those that every endpoint has.
    pub(super) fn errors(mut self, codes: &[ErrorCode]) -> Self {
        self.errors.extend(codes);
        self
    }

    pub(super) fn json<T: ToSchema>(self, status: &'static str, description: &'static str) {
        let content = ContentBuilder::new().schema(Some(self.collected.schema::<T>())).build();
        let response = ResponseBuilder::new().description(description).content("application/json", content);
        self.answers([(status, response)]);
    }

    /// Events as they come; the schema is that of one event's data.
    pub(super) fn event_stream<T: ToSchema>(self, description: &'static str) {
        let content = ContentBuilder::new().schema(Some(self.collected.schema::<T>())).build();
        let response = ResponseBuilder::new().description(description).content("text/event-stream", content);
        self.answers([("200", response)]);
    }

    pub(super) fn text(self, content_type: &'static str, description: &'static str) {
        let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.answers([("200", ResponseBuilder::new().description(description).content(content_type, content))]);
    }

    /// A picture: as a whole.
    pub(super) fn bytes(self, content_type: &'static str, description: &'static str) {
        self.answers([("200", file(content_type, description))]);
    }

    /// A file: as a whole, in part, or not again.
    pub(super) fn file(self, content_type: &'static str, description: &'static str) {
        let unchanged = ResponseBuilder::new().description("The client has it already (`If-None-Match`).");
        self.errors(&[ErrorCode::RangeNotSatisfiable])
            .header("Range", "One range of bytes; several are answered with the whole file.")
            .header("If-Range", "The `ETag` for which the range is meant; the whole file comes if it is another.")
            .header("If-None-Match", "The `ETag` that the client has.")
            .answers([
                ("200", file(content_type, description)),
                ("206", file(content_type, "The range.")),
                ("304", unchanged),
            ]);
    }

    fn answers<const N: usize>(mut self, answers: [(&'static str, ResponseBuilder); N]) {
        for (status, response) in answers {
            self.operation = self.operation.response(status, response.build());
        }
        if self.open {
            self.operation = self.operation.security(SecurityRequirement::default());
            self.errors.push(ErrorCode::HostRefused);
        } else {
            let common = [ErrorCode::Unauthorized, ErrorCode::HostRefused, ErrorCode::OriginRefused];
            self.errors.extend(common);
            self.errors.extend([ErrorCode::RequestTimeout, ErrorCode::Internal, ErrorCode::ShuttingDown]);
        }
        if self.path.contains('{') {
            self.errors.push(ErrorCode::InvalidId);
        }
        let error = self.collected.schema::<ApiError>();
        let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        self.errors.sort_unstable();
        self.errors.dedup();
        for code in &self.errors {
            by_status.entry(code.status()).or_default().push(code.name());
        }
        for (status, names) in by_status {
            let content = ContentBuilder::new().schema(Some(error.clone())).build();
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let response = ResponseBuilder::new().description(names.join(", ")).content("application/json", content);
            self.operation = self.operation.response(status.to_string(), response.build());
        }
        let operation: Operation = self.operation.build();
        let item = PathItem::new(self.method, operation);
        match self.collected.paths.get_mut(self.path) {
            Some(present) => present.merge_operations(item),
            None => {
                self.collected.paths.insert(self.path.to_owned(), item);
            }
        }
    }
}

fn file(content_type: &'static str, description: &'static str) -> ResponseBuilder {
    // OpenAPI 3.1: bytes are content without a schema of their own.
    let content = ContentBuilder::new()
        .schema(Some(Schema::Object(ObjectBuilder::new().schema_type(SchemaType::AnyValue).build())));
    ResponseBuilder::new().description(description).content(content_type, content.build())
}

fn token_needed() -> SecurityRequirement {
    SecurityRequirement::new(TOKEN_SCHEME, Vec::<String>::new())
}

/// Groups endpoints by the first word after the version.
fn tag(path: &str) -> &str {
    path.trim_start_matches("/v1/").split('/').find(|part| !part.is_empty()).unwrap_or("node")
}

fn path_parameter(path: &str, name: &str) -> Parameter {
    let (schema, description) = if path.starts_with("/v1/models") {
        (<ModelId as PartialSchema>::schema(), "The model's id.")
    } else {
        (<JobId as PartialSchema>::schema(), "The job's id.")
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
