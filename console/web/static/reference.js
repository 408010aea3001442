// The reference of the HTTP interface; nothing is asked of any other place.
"use strict";

SwaggerUIBundle({
  dom_id: "#reference",
  url: "/openapi.json",
  deepLinking: true,
  validatorUrl: null,
});
