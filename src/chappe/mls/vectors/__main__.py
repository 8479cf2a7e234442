from chappe.mls.vectors.runner import main

raise SystemExit(main())
