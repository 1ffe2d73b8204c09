-- A sponsorship that was mined stays open until its block is final: it has a settled_block from the first sight of the block,
-- and none again when the block is reorganised away. It is settled, and no longer counted, once that block is final.
CREATE INDEX sponsorships_mined ON sponsorships (settled_block) WHERE settled_block IS NOT NULL AND state <> 'settled';
