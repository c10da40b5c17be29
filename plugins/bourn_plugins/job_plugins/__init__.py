"""Stock job plugins and the stock priority policy: one small file each."""
