// The API documentation by Swagger UI. A request from it uses the session of the signed-in person.
const target = document.getElementById("api-docs");

window.SwaggerUIBundle({
    domNode: target,
    url: target.dataset.schema,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    requestInterceptor: (request) => {
        request.headers["X-CSRFToken"] = target.dataset.csrf;
        return request;
    },
});
