//! What must outlive a run: first seen, last seen, source counts, held absences. Losing it costs history only (rule 11).
