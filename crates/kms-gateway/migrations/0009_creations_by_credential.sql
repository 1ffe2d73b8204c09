-- A creation is deleted with the entry of its account in the index: the rows that are left led to no account yet.
DELETE FROM creations WHERE credential_id IN (SELECT credential_id FROM accounts);
CREATE INDEX creations_by_credential ON creations (credential_id);
