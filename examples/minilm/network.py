"""MiniLM as its authors use it: BERT's encoder, the mean over a text's tokens, length one."""

import torch
from transformers import BertConfig, BertModel


class SentenceEncoder(BertModel):
    """BERT whose answer is the sentence's embedding; its weights keep the names that they were published under."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Token numbers and mask, int64 (N, L) -> embeddings of length one, (N, 384)."""
        tokens = super().forward(input_ids, attention_mask).last_hidden_state
        mask = attention_mask[..., None].to(tokens.dtype)
        mean = (tokens * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=1)


def minilm() -> torch.nn.Module:
    """The architecture of all-MiniLM-L6-v2, without weights."""
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    network = SentenceEncoder(BertConfig(**sizes))
    # The weights were published with the positions 0, 1, 2, ... among them; today's transformers does not keep them.
    network.embeddings.register_buffer("position_ids", network.embeddings.position_ids, persistent=True)
    return network
