/// Why a body cannot be read.
@usableFromInline package enum BodyError: UInt8, Error, CaseIterable, Sendable {
    case badChunkSize, chunkSizeTooLarge, badChunkExtension, extensionsTooLarge
    case badChunkEnd, bareLineFeed, badTrailer, trailerTooLarge

    /// The status where it is a request's body.
    package var status: Int {
        switch self {
        case .extensionsTooLarge, .trailerTooLarge: 431
        case .badChunkSize, .chunkSizeTooLarge, .badChunkExtension, .badChunkEnd, .bareLineFeed,
            .badTrailer:
            400
        }
    }

    /// One sentence for the person behind the client.
    package var reason: StaticString {
        switch self {
        case .badChunkSize: "A chunk size is not a hexadecimal number."
        case .chunkSizeTooLarge: "A chunk size is out of range."
        case .badChunkExtension: "A chunk extension has a byte that none may have."
        case .extensionsTooLarge:
            "The chunk extensions are larger than the body allows, whatever is configured."
        case .badChunkEnd: "A chunk is not followed by CR LF."
        case .bareLineFeed: "A line of the chunked body ends in LF without CR."
        case .badTrailer: "A trailer line is malformed."
        case .trailerTooLarge: "The trailer is larger than 8192 bytes, whatever is configured."
        }
    }

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .badChunkSize: "bad_chunk_size"
        case .chunkSizeTooLarge: "chunk_size_too_large"
        case .badChunkExtension: "bad_chunk_extension"
        case .extensionsTooLarge: "chunk_extensions_too_large"
        case .badChunkEnd: "bad_chunk_end"
        case .bareLineFeed: "bare_line_feed"
        case .badTrailer: "bad_trailer"
        case .trailerTooLarge: "trailer_too_large"
        }
    }
}
