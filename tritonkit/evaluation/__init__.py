"""Is an answer right, and how would one see it: agreement of answers, reference transforms, charts."""
