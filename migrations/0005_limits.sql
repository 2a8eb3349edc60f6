-- How often a back end may ask, where that differs from what every key may do (RATE_LIMIT_KEY_PER_MINUTE). 0 is no limit.

alter table api_key add column rate_limit_per_minute integer check (rate_limit_per_minute >= 0);
