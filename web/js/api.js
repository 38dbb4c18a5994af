/** Asking the history API. The same answer twice is the same object, so change is identity. */

const TIMEOUT_MS = 10_000;

/** An answer that is an error, or none at all (`status` 0). */
export class ApiError extends Error {
  constructor({ status, detail, hint = "", requestId = "" }) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.hint = hint;
    this.requestId = requestId;
  }
}

export function createApi() {
  const answers = new Map();

  /** Return the JSON at `path`; throws ApiError. */
  async function read(path) {
    const { response, text } = await ask(path);
    if (!response.ok) throw errorOf(response, text);
    const known = answers.get(path);
    if (known?.text === text) return known.value;
    const value = parse(response, text);
    answers.set(path, { text, value });
    return value;
  }

  /** Return the JSON at `path`, or null where the API knows no such thing (404). */
  async function find(path) {
    try {
      return await read(path);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  return { read, find };
}

async function ask(path) {
  try {
    const response = await fetch(path, {
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { response, text: await response.text() };
  } catch {
    throw new ApiError({
      status: 0,
      detail: "The history API does not answer.",
      hint: "Is it running? sh setup.sh status tells.",
    });
  }
}

function parse(response, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError({
      status: response.status,
      detail: "The history API's answer was not JSON.",
      requestId: requestIdOf(response),
    });
  }
}

// Native paths answer {error, detail, hint}, Binance-compatible ones {code, msg}.
function errorOf(response, text) {
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    // a proxy's error page: the status has to do
  }
  const detail = body.detail ?? body.msg ?? `The history API answered ${response.status}.`;
  const requestId = requestIdOf(response);
  return new ApiError({ status: response.status, detail, hint: body.hint ?? "", requestId });
}

const requestIdOf = (response) => response.headers.get("X-Request-Id") ?? "";
