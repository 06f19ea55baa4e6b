/** The client of conferencing.v1: its service, its messages, and what its errors say. */

export * from "./gen/conferencing/v1/conferencing_pb.js";
export * from "./gen/conferencing/v1/conferencing_service_pb.js";
export * from "./gen/conferencing/v1/error_reason_pb.js";
export * from "./gen/conferencing/v1/event_pb.js";
export type { BadRequest, ErrorInfo, RetryInfo } from "./gen/google/rpc/error_details_pb.js";
export { type ErrorDetails, errorDetails } from "./errors.js";
