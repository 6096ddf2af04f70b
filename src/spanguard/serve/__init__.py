"""The local web page over the store, its JSON API and its scrape endpoint: `spanguard serve` (extra ``serve``)."""
