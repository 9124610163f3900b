// One unary method that answers 200 bytes with the same: both ends of the gRPC peer share it.
const asBytes = {
  requestSerialize: (bytes) => bytes,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (bytes) => bytes,
  responseDeserialize: (bytes) => bytes,
};

/** The service's definition. */
export const service = {
  call: { path: "/bench.Echo/Call", requestStream: false, responseStream: false, ...asBytes },
};
