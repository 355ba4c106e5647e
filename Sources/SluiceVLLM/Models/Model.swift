/// One entry of `GET /v1/models`: a base model, or a LoRA adapter with its parent.
package struct Model: Equatable, Sendable {
    /// The name requests use, 1 … 256 bytes.
    package var id: String
    /// The base model of a LoRA adapter; nil for a base model.
    package var parent: String?
    /// Where the weights come from: a path or a name.
    package var root: String?
    /// Tokens of prompt and answer together at most.
    package var maxModelLength: Int?
    /// When the entry was made, in Unix seconds; for vLLM the time of the request.
    package var created: Int?
    /// Who offers it: `vllm`.
    package var ownedBy: String?

    /// A model of which at least the name is known.
    package init(
        id: String, parent: String? = nil, root: String? = nil, maxModelLength: Int? = nil,
        created: Int? = nil, ownedBy: String? = nil
    ) {
        self.id = id
        self.parent = parent
        self.root = root
        self.maxModelLength = maxModelLength
        self.created = created
        self.ownedBy = ownedBy
    }
}
