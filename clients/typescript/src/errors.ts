import { ConnectError } from "@connectrpc/connect";

import { type Verdict, VerdictSchema } from "./gen/conferencing/v1/conferencing_pb.js";
import { ErrorReason, ErrorReasonSchema } from "./gen/conferencing/v1/error_reason_pb.js";
import {
  type BadRequest,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";

const DOMAIN = "conferencing.v1";

/** What an error of the service says beside its code and message. */
export interface ErrorDetails {
  /**
   * The reason to branch on. UNSPECIFIED when the service did not make the error (a connection that
   * broke, a deadline that passed here), or for a reason newer than this package: `errorInfo.reason`
   * then has its name.
   */
  reason: ErrorReason;
  /** The reason by name, with its metadata. On every error that the service makes. */
  errorInfo?: ErrorInfo;
  /** The fields that are wrong, all at once. With INVALID_FIELD. */
  badRequest?: BadRequest;
  /** When to repeat the same request. */
  retryInfo?: RetryInfo;
  /** Why a conference is refused, and the ways out. */
  verdict?: Verdict;
}

/** Decodes what was thrown by a call. Anything that is no error of the service has no details. */
export function errorDetails(thrown: unknown): ErrorDetails {
  const error = ConnectError.from(thrown);
  const details: ErrorDetails = { reason: ErrorReason.UNSPECIFIED };
  const errorInfo = error.findDetails(ErrorInfoSchema).find((info) => info.domain === DOMAIN);
  if (errorInfo) {
    details.errorInfo = errorInfo;
    details.reason = reasonOf(errorInfo.reason);
  }
  const badRequest = error.findDetails(BadRequestSchema)[0];
  if (badRequest) details.badRequest = badRequest;
  const retryInfo = error.findDetails(RetryInfoSchema)[0];
  if (retryInfo) details.retryInfo = retryInfo;
  const verdict = error.findDetails(VerdictSchema)[0];
  if (verdict) details.verdict = verdict;
  return details;
}

function reasonOf(name: string): ErrorReason {
  const found = ErrorReasonSchema.values.find((value) => value.name === `ERROR_REASON_${name}`);
  return found ? found.number : ErrorReason.UNSPECIFIED;
}
