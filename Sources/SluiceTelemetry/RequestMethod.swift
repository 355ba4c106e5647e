/// The method of a request as records keep it; the order is that of SluiceHTTP's `Method`.
///
/// A method this list does not know is `other`: a peer cannot create label values.
package enum RequestMethod: UInt8, CaseIterable, Sendable {
    case get, head, post, put, delete, patch, options, connect, trace, other

    /// The value of the label `method`.
    package var label: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        case .connect: "CONNECT"
        case .trace: "TRACE"
        case .other: "other"
        }
    }
}
