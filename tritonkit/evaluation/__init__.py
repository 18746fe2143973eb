"""Is an answer right, and how would one see it: agreement, figures of labelled data, reference transforms, charts."""
