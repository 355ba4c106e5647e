/// Names of members that the gateway reads, each as ``PackedText``.
///
/// The bytes are spelled out as numbers so that a comparison is one with constants; a test holds each
/// to its text.
enum Name {
    /// `model`
    static var model: PackedText { PackedText(5, 0x6C65646F6D) }
    /// `store`
    static var store: PackedText { PackedText(5, 0x65726F7473) }
    /// `input`
    static var input: PackedText { PackedText(5, 0x7475706E69) }
    /// `stream`
    static var stream: PackedText { PackedText(6, 0x6D6165727473) }
    /// `prompt`
    static var prompt: PackedText { PackedText(6, 0x74706D6F7270) }
    /// `best_of`
    static var bestOf: PackedText { PackedText(7, 0x666F5F74736562) }
    /// `messages`
    static var messages: PackedText { PackedText(8, 0x736567617373656D) }
    /// `priority`
    static var priority: PackedText { PackedText(8, 0x797469726F697270) }
    /// `max_tokens`
    static var maxTokens: PackedText { PackedText(10, 0x656B6F745F78616D, 0x736E) }
    /// `stream_options`
    static var streamOptions: PackedText { PackedText(14, 0x6F5F6D6165727473, 0x736E6F697470) }
    /// `prompt_cache_key`
    static var promptCacheKey: PackedText { PackedText(16, 0x635F74706D6F7270, 0x79656B5F65686361) }
    /// `max_output_tokens`
    static var maxOutputTokens: PackedText {
        PackedText(17, 0x7074756F5F78616D, 0x6E656B6F745F7475, 0x73)
    }
    /// `max_completion_tokens`
    static var maxCompletionTokens: PackedText {
        PackedText(21, 0x706D6F635F78616D, 0x745F6E6F6974656C, 0x736E656B6F)
    }
    /// `previous_response_id`
    static var previousResponseID: PackedText {
        PackedText(20, 0x73756F6976657270, 0x736E6F707365725F, 0x64695F65)
    }
    /// `n`
    static var n: PackedText { PackedText(1, 0x6E) }
    /// `include_usage`
    static var includeUsage: PackedText { PackedText(13, 0x5F6564756C636E69, 0x6567617375) }
    /// `type`
    static var type: PackedText { PackedText(4, 0x65707974) }
    /// `role`
    static var role: PackedText { PackedText(4, 0x656C6F72) }
    /// `user`
    static var user: PackedText { PackedText(4, 0x72657375) }
    /// `url`
    static var url: PackedText { PackedText(3, 0x6C7275) }
    /// `data`
    static var data: PackedText { PackedText(4, 0x61746164) }
    /// `image_url`
    static var imageUrl: PackedText { PackedText(9, 0x72755F6567616D69, 0x6C) }
    /// `file_data`
    static var fileData: PackedText { PackedText(9, 0x7461645F656C6966, 0x61) }
    /// `image_embeds`
    static var imageEmbeds: PackedText { PackedText(12, 0x6D655F6567616D69, 0x73646562) }
    /// `input_image`
    static var inputImage: PackedText { PackedText(11, 0x6D695F7475706E69, 0x656761) }
    /// `input_audio`
    static var inputAudio: PackedText { PackedText(11, 0x75615F7475706E69, 0x6F6964) }
    /// `audio_url`
    static var audioUrl: PackedText { PackedText(9, 0x72755F6F69647561, 0x6C) }
    /// `video_url`
    static var videoUrl: PackedText { PackedText(9, 0x72755F6F65646976, 0x6C) }
    /// `input_file`
    static var inputFile: PackedText { PackedText(10, 0x69665F7475706E69, 0x656C) }
    /// `file`
    static var file: PackedText { PackedText(4, 0x656C6966) }
    /// `choices`
    static var choices: PackedText { PackedText(7, 0x736563696F6863) }
    /// `delta`
    static var delta: PackedText { PackedText(5, 0x61746C6564) }
    /// `content`
    static var content: PackedText { PackedText(7, 0x746E65746E6F63) }
    /// `tool_calls`
    static var toolCalls: PackedText { PackedText(10, 0x6C61635F6C6F6F74, 0x736C) }
    /// `text`
    static var text: PackedText { PackedText(4, 0x74786574) }
    /// `error`
    static var error: PackedText { PackedText(5, 0x726F727265) }
    /// `usage`
    static var usage: PackedText { PackedText(5, 0x6567617375) }
    /// `refusal`
    static var refusal: PackedText { PackedText(7, 0x6C617375666572) }
    /// `reasoning`
    static var reasoning: PackedText { PackedText(9, 0x6E696E6F73616572, 0x67) }
    /// `reasoning_content`
    static var reasoningContent: PackedText {
        PackedText(17, 0x6E696E6F73616572, 0x6E65746E6F635F67, 0x74)
    }
    /// `arguments`
    static var arguments: PackedText { PackedText(9, 0x746E656D75677261, 0x73) }
    /// `name`
    static var name: PackedText { PackedText(4, 0x656D616E) }
    /// `prompt_tokens`
    static var promptTokens: PackedText { PackedText(13, 0x745F74706D6F7270, 0x736E656B6F) }
    /// `completion_tokens`
    static var completionTokens: PackedText {
        PackedText(17, 0x6974656C706D6F63, 0x6E656B6F745F6E6F, 0x73)
    }
    /// `input_tokens`
    static var inputTokens: PackedText { PackedText(12, 0x6F745F7475706E69, 0x736E656B) }
    /// `output_tokens`
    static var outputTokens: PackedText { PackedText(13, 0x745F74757074756F, 0x736E656B6F) }
    /// `cached_tokens`
    static var cachedTokens: PackedText { PackedText(13, 0x745F646568636163, 0x736E656B6F) }
    /// `prompt_tokens_details`
    static var promptTokensDetails: PackedText {
        PackedText(21, 0x745F74706D6F7270, 0x65645F736E656B6F, 0x736C696174)
    }
    /// `input_tokens_details`
    static var inputTokensDetails: PackedText {
        PackedText(20, 0x6F745F7475706E69, 0x7465645F736E656B, 0x736C6961)
    }
}
