// The token that the service takes with requests of this page's scripts; without it their cookie counts for nothing.
globalThis.xsrfToken = () => document.cookie.match("\\b_xsrf=([^;]*)\\b")?.[1] ?? "";
